-- CPIs, their CPKs, and virtual nodes. Source of names and types: Corda 5.0; there, cpk_file.data is a large object.
CREATE TABLE cpi (
    name                   varchar(255) NOT NULL,
    version                varchar(255) NOT NULL,
    signer_summary_hash    varchar(255) NOT NULL,
    file_name              varchar(255) NOT NULL,
    file_checksum          varchar(255) NOT NULL,
    group_policy           text         NOT NULL,
    group_id               varchar(255) NOT NULL,
    file_upload_request_id varchar(255),
    entity_version         integer      NOT NULL,
    is_deleted             boolean      NOT NULL,
    insert_ts              timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpi_pk PRIMARY KEY (name, version, signer_summary_hash),
    CONSTRAINT db_cpi_uc1 UNIQUE (file_checksum)
);

CREATE TABLE cpk_metadata (
    cpk_name                varchar(255) NOT NULL,
    cpk_version             varchar(255) NOT NULL,
    cpk_signer_summary_hash varchar(255) NOT NULL,
    file_checksum           varchar(255) NOT NULL,
    format_version          varchar(12)  NOT NULL,
    metadata                text         NOT NULL,
    entity_version          integer      NOT NULL,
    is_deleted              boolean      NOT NULL,
    insert_ts               timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpk_metadata_pk PRIMARY KEY (file_checksum)
);

CREATE TABLE cpk_file (
    file_checksum  varchar(255) NOT NULL,
    data           bytea        NOT NULL,
    entity_version integer      NOT NULL,
    is_deleted     boolean      NOT NULL,
    insert_ts      timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpk_file_pk PRIMARY KEY (file_checksum),
    CONSTRAINT "FK_cpk_file_cpk_metadata" FOREIGN KEY (file_checksum) REFERENCES cpk_metadata
);

CREATE TABLE cpk_db_change_log (
    cpk_file_checksum varchar(255) NOT NULL,
    file_path         varchar(255) NOT NULL,
    content           text         NOT NULL,
    entity_version    integer      NOT NULL,
    is_deleted        boolean      NOT NULL,
    insert_ts         timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpk_db_change_log_pk PRIMARY KEY (cpk_file_checksum, file_path),
    CONSTRAINT "FK_cpk_db_change_log_cpk_metadata" FOREIGN KEY (cpk_file_checksum) REFERENCES cpk_metadata
);

CREATE TABLE cpk_db_change_log_audit (
    id                varchar(255) NOT NULL,
    cpk_file_checksum varchar(255) NOT NULL,
    file_path         varchar(255) NOT NULL,
    content           text         NOT NULL,
    is_deleted        boolean      NOT NULL,
    insert_ts         timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpk_db_change_log_audit_pk PRIMARY KEY (id)
);

CREATE TABLE cpi_cpk (
    cpi_name                varchar(255) NOT NULL,
    cpi_version             varchar(255) NOT NULL,
    cpi_signer_summary_hash varchar(255) NOT NULL,
    cpk_file_checksum       varchar(255) NOT NULL,
    cpk_file_name           varchar(255) NOT NULL,
    entity_version          integer      NOT NULL,
    is_deleted              boolean      NOT NULL,
    insert_ts               timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT cpi_cpk_pk PRIMARY KEY (cpi_name, cpi_version, cpi_signer_summary_hash, cpk_file_checksum),
    CONSTRAINT "FK_cpi_cpk_cpi" FOREIGN KEY (cpi_name, cpi_version, cpi_signer_summary_hash) REFERENCES cpi,
    CONSTRAINT "FK_cpi_cpk_cpk_metadata" FOREIGN KEY (cpk_file_checksum) REFERENCES cpk_metadata
);

CREATE TABLE virtual_node_operation (
    id                      varchar(255) NOT NULL,
    request_id              varchar(255) NOT NULL,
    data                    text         NOT NULL,
    request_timestamp       timestamp    NOT NULL,
    latest_update_timestamp timestamp             DEFAULT CURRENT_TIMESTAMP,
    heartbeat_timestamp     timestamp,
    state                   varchar(255) NOT NULL,
    operation_type          varchar(255) NOT NULL,
    errors                  text,
    entity_version          integer      NOT NULL,
    CONSTRAINT virtual_node_operation_pk PRIMARY KEY (id)
);
CREATE INDEX virtual_node_operation_request_id ON virtual_node_operation (request_id);

CREATE TABLE virtual_node (
    holding_identity_id             varchar(12)  NOT NULL,
    cpi_name                        varchar(255) NOT NULL,
    cpi_version                     varchar(255) NOT NULL,
    cpi_signer_summary_hash         varchar(255) NOT NULL,
    flow_p2p_operational_status     varchar(255) NOT NULL,
    flow_start_operational_status   varchar(255) NOT NULL,
    flow_operational_status         varchar(255) NOT NULL,
    vault_db_operational_status     varchar(255) NOT NULL,
    vault_ddl_connection_id         uuid,
    vault_dml_connection_id         uuid,
    crypto_ddl_connection_id        uuid,
    crypto_dml_connection_id        uuid,
    uniqueness_ddl_connection_id    uuid,
    uniqueness_dml_connection_id    uuid,
    operation_in_progress           varchar(255),
    external_messaging_route_config text,
    entity_version                  integer      NOT NULL,
    is_deleted                      boolean      NOT NULL,
    insert_ts                       timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT virtual_node_pk PRIMARY KEY (holding_identity_id),
    CONSTRAINT "FK_virtual_node_cpi" FOREIGN KEY (cpi_name, cpi_version, cpi_signer_summary_hash) REFERENCES cpi,
    CONSTRAINT "FK_virtual_node_vault_ddl_connection" FOREIGN KEY (vault_ddl_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_vault_dml_connection" FOREIGN KEY (vault_dml_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_crypto_ddl_connection" FOREIGN KEY (crypto_ddl_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_crypto_dml_connection" FOREIGN KEY (crypto_dml_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_uniqueness_ddl_connection" FOREIGN KEY (uniqueness_ddl_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_uniqueness_dml_connection" FOREIGN KEY (uniqueness_dml_connection_id) REFERENCES db_connection,
    CONSTRAINT "FK_virtual_node_virtual_node_operation" FOREIGN KEY (operation_in_progress) REFERENCES virtual_node_operation
);
