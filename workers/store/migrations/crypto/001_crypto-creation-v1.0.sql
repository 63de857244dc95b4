-- Wrapping keys and signing keys, in the cluster's crypto schema and in each virtual node's. Source of names and types:
-- Corda 5.0.
CREATE TABLE crypto_wrapping_key (
    id                    uuid         NOT NULL,
    alias                 varchar(64)  NOT NULL,
    generation            integer      NOT NULL,
    created               timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    encoding_version      integer      NOT NULL,
    algorithm_name        varchar(64)  NOT NULL,
    key_material          bytea        NOT NULL,
    rotation_date         timestamp    NOT NULL,
    is_parent_key_managed boolean      NOT NULL,
    parent_key_reference  varchar(256) NOT NULL,
    CONSTRAINT crypto_wrapping_key_pk PRIMARY KEY (id),
    CONSTRAINT alias_and_generation_are_unique UNIQUE (alias, generation)
);

CREATE TABLE crypto_signing_key (
    id               uuid         NOT NULL,
    tenant_id        varchar(12)  NOT NULL,
    key_id           char(12)     NOT NULL,
    full_key_id      varchar(255) NOT NULL,
    created          timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    category         varchar(64)  NOT NULL,
    scheme_code_name varchar(64)  NOT NULL,
    public_key       bytea        NOT NULL,
    encoding_version integer,
    alias            varchar(64),
    hsm_alias        varchar(64),
    external_id      varchar(64),
    hsm_id           varchar(36)  NOT NULL,
    status           varchar(16)  NOT NULL,
    CONSTRAINT crypto_signing_key_pk PRIMARY KEY (id),
    CONSTRAINT crypto_signing_key_unique UNIQUE (tenant_id, key_id)
);
CREATE INDEX crypto_signing_key_full_key_idx ON crypto_signing_key (tenant_id, full_key_id);
CREATE INDEX crypto_signing_key_tenant_idx ON crypto_signing_key (tenant_id);
CREATE INDEX crypto_signing_key_tenant_category_idx ON crypto_signing_key (tenant_id, category);
CREATE INDEX crypto_signing_key_tenant_alias_idx ON crypto_signing_key (tenant_id, alias);

CREATE TABLE crypto_signing_key_material (
    wrapping_key_id      uuid      NOT NULL,
    signing_key_id       uuid      NOT NULL,
    signing_key_material bytea     NOT NULL,
    created              timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT crypto_signing_key_material_pk PRIMARY KEY (signing_key_id, wrapping_key_id)
);

CREATE TABLE crypto_hsm_association (
    id               varchar(36) NOT NULL,
    tenant_id        varchar(12) NOT NULL,
    hsm_id           varchar(36) NOT NULL,
    "timestamp"      timestamp   NOT NULL,
    master_key_alias varchar(30),
    CONSTRAINT crypto_hsm_association_pk PRIMARY KEY (id),
    CONSTRAINT crypto_hsm_association_uc1 UNIQUE (tenant_id, hsm_id)
);

CREATE TABLE crypto_hsm_category_association (
    id                 varchar(36) NOT NULL,
    tenant_id          varchar(12) NOT NULL,
    category           varchar(20) NOT NULL,
    hsm_association_id varchar(36) NOT NULL,
    "timestamp"        timestamp   NOT NULL,
    deprecated_at      bigint      NOT NULL,
    CONSTRAINT crypto_hsm_category_association_pk PRIMARY KEY (id),
    CONSTRAINT crypto_hsm_category_association_uc1 UNIQUE (tenant_id, category, deprecated_at),
    CONSTRAINT "FK_crypto_hsm_category_association_crypto_hsm_association"
        FOREIGN KEY (hsm_association_id) REFERENCES crypto_hsm_association
);
