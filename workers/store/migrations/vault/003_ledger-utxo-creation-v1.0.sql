-- The UTXO ledger's transactions. Source of names and types: Corda 5.0; there, utxo_cpk.data is a large object.
CREATE TABLE utxo_transaction (
    id           varchar(160) NOT NULL,
    privacy_salt bytea        NOT NULL,
    account_id   varchar(64)  NOT NULL,
    created      timestamp    NOT NULL,
    CONSTRAINT utxo_transaction_pkey PRIMARY KEY (id)
);

CREATE TABLE utxo_transaction_status (
    transaction_id varchar(160) NOT NULL,
    status         varchar(255) NOT NULL,
    updated        timestamp    NOT NULL,
    CONSTRAINT utxo_transaction_status_pkey PRIMARY KEY (transaction_id),
    CONSTRAINT fk_utxo_transaction_status FOREIGN KEY (transaction_id) REFERENCES utxo_transaction
);

CREATE TABLE utxo_transaction_signature (
    transaction_id varchar(160) NOT NULL,
    signature_idx  integer      NOT NULL,
    signature      bytea        NOT NULL,
    pub_key_hash   varchar(160) NOT NULL,
    created        timestamp    NOT NULL,
    CONSTRAINT utxo_transaction_signature_pkey PRIMARY KEY (transaction_id, signature_idx),
    CONSTRAINT fk_utxo_transaction_signature FOREIGN KEY (transaction_id) REFERENCES utxo_transaction
);

CREATE TABLE utxo_transaction_component (
    transaction_id varchar(160) NOT NULL,
    group_idx      integer      NOT NULL,
    leaf_idx       integer      NOT NULL,
    data           bytea        NOT NULL,
    hash           varchar(160) NOT NULL,
    created        timestamp    NOT NULL,
    CONSTRAINT utxo_transaction_component_pkey PRIMARY KEY (transaction_id, group_idx, leaf_idx),
    CONSTRAINT fk_utxo_transaction_component FOREIGN KEY (transaction_id) REFERENCES utxo_transaction
);

CREATE TABLE utxo_transaction_sources (
    transaction_id     varchar(160) NOT NULL,
    group_idx          integer      NOT NULL,
    leaf_idx           integer      NOT NULL,
    ref_transaction_id varchar(160) NOT NULL,
    ref_leaf_idx       integer      NOT NULL,
    is_ref_input       boolean      NOT NULL,
    created            timestamp    NOT NULL,
    CONSTRAINT utxo_transaction_sources_pkey PRIMARY KEY (transaction_id, group_idx, leaf_idx),
    CONSTRAINT fk_utxo_transaction_sources
        FOREIGN KEY (transaction_id, group_idx, leaf_idx) REFERENCES utxo_transaction_component
);

CREATE TABLE utxo_transaction_output (
    transaction_id         varchar(160)  NOT NULL,
    group_idx              integer       NOT NULL,
    leaf_idx               integer       NOT NULL,
    type                   varchar(1024) NOT NULL,
    token_type             varchar(255),
    token_issuer_hash      varchar(160),
    token_notary_x500_name varchar(1024),
    token_symbol           varchar(255),
    token_tag              varchar(255),
    token_owner_hash       varchar(160),
    token_amount           numeric,
    created                timestamp     NOT NULL,
    CONSTRAINT utxo_transaction_output_pkey PRIMARY KEY (transaction_id, group_idx, leaf_idx),
    CONSTRAINT fk_utxo_transaction_output
        FOREIGN KEY (transaction_id, group_idx, leaf_idx) REFERENCES utxo_transaction_component
);

CREATE TABLE utxo_visible_transaction_state (
    transaction_id        varchar(160) NOT NULL,
    group_idx             integer      NOT NULL,
    leaf_idx              integer      NOT NULL,
    custom_representation jsonb        NOT NULL,
    created               timestamp    NOT NULL,
    consumed              timestamp,
    CONSTRAINT utxo_visible_transaction_state_pkey PRIMARY KEY (transaction_id, group_idx, leaf_idx),
    CONSTRAINT fk_utxo_visible_transaction_state
        FOREIGN KEY (transaction_id, group_idx, leaf_idx) REFERENCES utxo_transaction_component
);

CREATE TABLE utxo_cpk (
    file_checksum       varchar(255) NOT NULL,
    name                varchar(255) NOT NULL,
    signer_summary_hash varchar(255) NOT NULL,
    version             varchar(255) NOT NULL,
    data                bytea        NOT NULL,
    created             timestamp    NOT NULL,
    CONSTRAINT utxo_cpk_pkey PRIMARY KEY (file_checksum)
);

CREATE TABLE utxo_transaction_cpk (
    transaction_id varchar(160) NOT NULL,
    file_checksum  varchar(255) NOT NULL,
    CONSTRAINT utxo_transaction_cpk_pkey PRIMARY KEY (transaction_id, file_checksum),
    CONSTRAINT fk_utxo_transaction_cpk_id FOREIGN KEY (transaction_id) REFERENCES utxo_transaction,
    CONSTRAINT fk_utxo_transaction_cpk_checksum FOREIGN KEY (file_checksum) REFERENCES utxo_cpk
);

CREATE TABLE utxo_group_parameters (
    hash                 varchar(160) NOT NULL,
    parameters           bytea        NOT NULL,
    signature_public_key bytea        NOT NULL,
    signature_content    bytea        NOT NULL,
    signature_spec       varchar(255) NOT NULL,
    created              timestamp    NOT NULL,
    CONSTRAINT utxo_group_parameters_pkey PRIMARY KEY (hash)
);
