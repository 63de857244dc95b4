-- Certificates and membership of a virtual node. Source of names and types: Corda 5.0.
CREATE TABLE vnode_vault (
    holding_identity_id varchar(12) NOT NULL,
    CONSTRAINT vnode_vault_pk PRIMARY KEY (holding_identity_id)
);

CREATE TABLE vnode_certificate (
    alias           varchar(255) NOT NULL,
    usage           varchar(255) NOT NULL,
    raw_certificate text         NOT NULL,
    CONSTRAINT vnode_certificate_pk PRIMARY KEY (alias)
);
CREATE INDEX vnode_certificate_usage ON vnode_certificate (usage);

CREATE TABLE vnode_mtls_allowed_certificate (
    subject    varchar(255) NOT NULL,
    is_deleted boolean      NOT NULL,
    CONSTRAINT vnode_mtls_allowed_certificate_pk PRIMARY KEY (subject)
);

CREATE TABLE vnode_pre_auth_tokens (
    token_id        varchar(255) NOT NULL,
    owner_x500_name varchar(255) NOT NULL,
    ttl             timestamp,
    status          varchar(64)  NOT NULL,
    creation_remark text,
    removal_remark  text,
    CONSTRAINT vnode_pre_auth_tokens_pk PRIMARY KEY (token_id)
);

CREATE TABLE vnode_registration_request (
    registration_id                        varchar(255) NOT NULL,
    holding_identity_id                    varchar(12)  NOT NULL,
    status                                 varchar(64)  NOT NULL,
    created                                timestamp    NOT NULL,
    last_modified                          timestamp    NOT NULL,
    member_context                         bytea        NOT NULL,
    member_context_signature_key           bytea        NOT NULL,
    member_context_signature_content       bytea        NOT NULL,
    member_context_signature_spec          varchar(255) NOT NULL,
    registration_context                   bytea        NOT NULL,
    registration_context_signature_key     bytea        NOT NULL,
    registration_context_signature_content bytea        NOT NULL,
    registration_context_signature_spec    varchar(255) NOT NULL,
    reason                                 varchar(255),
    serial                                 bigint,
    CONSTRAINT vnode_registration_request_pk PRIMARY KEY (registration_id)
);

CREATE TABLE vnode_member_info (
    group_id                 varchar(255) NOT NULL,
    member_name              varchar(255) NOT NULL,
    is_pending               boolean      NOT NULL,
    status                   varchar(64)  NOT NULL,
    modified_time            timestamp    NOT NULL,
    member_context           bytea        NOT NULL,
    member_signature_key     bytea        NOT NULL,
    member_signature_content bytea        NOT NULL,
    member_signature_spec    varchar(255) NOT NULL,
    mgm_context              bytea        NOT NULL,
    serial_number            bigint       NOT NULL,
    CONSTRAINT vnode_member_info_pkey PRIMARY KEY (group_id, member_name, is_pending)
);

CREATE TABLE vnode_group_policy (
    version    bigint    NOT NULL,
    created_at timestamp NOT NULL,
    properties bytea     NOT NULL,
    CONSTRAINT vnode_group_policy_pkey PRIMARY KEY (version)
);

CREATE TABLE vnode_group_parameters (
    epoch                integer NOT NULL,
    parameters           bytea   NOT NULL,
    signature_public_key bytea,
    signature_content    bytea,
    signature_spec       varchar(255),
    CONSTRAINT vnode_group_parameters_pkey PRIMARY KEY (epoch)
);

CREATE TABLE vnode_group_approval_rules (
    rule_id    varchar(255) NOT NULL,
    rule_regex varchar(255) NOT NULL,
    rule_type  varchar(255) NOT NULL,
    rule_label varchar(255),
    CONSTRAINT vnode_group_approval_rules_pkey PRIMARY KEY (rule_id, rule_type)
);
CREATE INDEX vnode_group_approval_rules_type ON vnode_group_approval_rules (rule_type);
