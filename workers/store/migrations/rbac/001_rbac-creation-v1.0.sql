-- Users, groups, roles and permissions of the REST API. Source of names and types: Corda 5.0.
CREATE TABLE rbac_group (
    id           varchar(36)  NOT NULL,
    update_ts    timestamp    NOT NULL,
    version      integer      NOT NULL,
    name         varchar(255) NOT NULL,
    parent_group varchar(36),
    CONSTRAINT rbac_group_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_group_uc1 UNIQUE (name, parent_group),
    CONSTRAINT "FK__rbac_gr__parent_gr" FOREIGN KEY (parent_group) REFERENCES rbac_group ON DELETE SET NULL
);

CREATE TABLE rbac_group_props (
    id        varchar(36)  NOT NULL,
    update_ts timestamp    NOT NULL,
    version   integer      NOT NULL,
    group_ref varchar(36)  NOT NULL,
    key       varchar(255) NOT NULL,
    value     varchar(255) NOT NULL,
    CONSTRAINT rbac_group_props_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_group_props_uc1 UNIQUE (group_ref, key),
    CONSTRAINT "FK__rbac_group_props__group_ref" FOREIGN KEY (group_ref) REFERENCES rbac_group ON DELETE CASCADE
);

CREATE TABLE rbac_user (
    id              varchar(36)  NOT NULL,
    update_ts       timestamp    NOT NULL,
    version         integer      NOT NULL,
    full_name       varchar(255) NOT NULL,
    login_name      varchar(255) NOT NULL,
    enabled         boolean      NOT NULL,
    salt_value      varchar(255),
    hashed_password varchar(255),
    password_expiry timestamp,
    parent_group    varchar(36),
    CONSTRAINT rbac_user_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_user_uc1 UNIQUE (login_name),
    CONSTRAINT "FK__rbac_user__parent_group" FOREIGN KEY (parent_group) REFERENCES rbac_group ON DELETE SET NULL
);

CREATE TABLE rbac_user_props (
    id        varchar(36)  NOT NULL,
    update_ts timestamp    NOT NULL,
    version   integer      NOT NULL,
    user_ref  varchar(36)  NOT NULL,
    key       varchar(255) NOT NULL,
    value     varchar(255) NOT NULL,
    CONSTRAINT rbac_user_props_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_user_props_uc1 UNIQUE (user_ref, key),
    CONSTRAINT "FK__rbac_user_props__user_ref" FOREIGN KEY (user_ref) REFERENCES rbac_user ON DELETE CASCADE
);

CREATE TABLE rbac_change_audit (
    id          varchar(36)   NOT NULL,
    update_ts   timestamp     NOT NULL,
    actor_user  varchar(36)   NOT NULL,
    change_type varchar(255)  NOT NULL,
    details     varchar(2048) NOT NULL,
    CONSTRAINT rbac_change_audit_pkey PRIMARY KEY (id)
);

CREATE TABLE rbac_role (
    id        varchar(36)  NOT NULL,
    update_ts timestamp    NOT NULL,
    version   integer      NOT NULL,
    name      varchar(255) NOT NULL,
    group_vis varchar(36),
    CONSTRAINT rbac_role_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_role_uc1 UNIQUE (name, group_vis),
    CONSTRAINT "FK__rbac_role__group_vis" FOREIGN KEY (group_vis) REFERENCES rbac_group ON DELETE CASCADE
);
CREATE INDEX rbac_role__group_vis__idx ON rbac_role (group_vis);

CREATE TABLE rbac_role_user_rel (
    id        varchar(36) NOT NULL,
    update_ts timestamp   NOT NULL,
    user_id   varchar(36) NOT NULL,
    role_id   varchar(36) NOT NULL,
    CONSTRAINT rbac_role_user_rel_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_role_user_rel_uc1 UNIQUE (user_id, role_id),
    CONSTRAINT "FK__rbac_role_user_rel__user_id" FOREIGN KEY (user_id) REFERENCES rbac_user ON DELETE CASCADE,
    CONSTRAINT "FK__rbac_role_user_rel__role_id" FOREIGN KEY (role_id) REFERENCES rbac_role ON DELETE CASCADE
);

CREATE TABLE rbac_role_group_rel (
    id        varchar(36) NOT NULL,
    update_ts timestamp   NOT NULL,
    group_id  varchar(36) NOT NULL,
    role_id   varchar(36) NOT NULL,
    CONSTRAINT rbac_role_group_rel_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_role_group_rel_uc1 UNIQUE (group_id, role_id),
    CONSTRAINT "FK__rbac_role_group_rel__group_id" FOREIGN KEY (group_id) REFERENCES rbac_group ON DELETE CASCADE,
    CONSTRAINT "FK__rbac_role_group_rel__role_id" FOREIGN KEY (role_id) REFERENCES rbac_role ON DELETE CASCADE
);

CREATE TABLE rbac_perm (
    id           varchar(36)   NOT NULL,
    update_ts    timestamp     NOT NULL,
    version      integer       NOT NULL,
    group_vis    varchar(36),
    virtual_node varchar(255),
    perm_type    varchar(255)  NOT NULL,
    perm_string  varchar(1024) NOT NULL,
    CONSTRAINT rbac_perm_pkey PRIMARY KEY (id),
    CONSTRAINT "FK__rbac_perm__group_vis" FOREIGN KEY (group_vis) REFERENCES rbac_group ON DELETE CASCADE
);
CREATE INDEX rbac_perm__group_vis__idx ON rbac_perm (group_vis);

CREATE TABLE rbac_role_perm_rel (
    id        varchar(36) NOT NULL,
    update_ts timestamp   NOT NULL,
    role_id   varchar(36) NOT NULL,
    perm_id   varchar(36) NOT NULL,
    CONSTRAINT rbac_role_perm_rel_pkey PRIMARY KEY (id),
    CONSTRAINT rbac_role_perm_rel_uc1 UNIQUE (role_id, perm_id),
    CONSTRAINT "FK__rbac_role_perm_rel__role_id" FOREIGN KEY (role_id) REFERENCES rbac_role ON DELETE CASCADE,
    CONSTRAINT "FK__rbac_role_perm_rel__perm_id" FOREIGN KEY (perm_id) REFERENCES rbac_perm ON DELETE CASCADE
);
