-- The consensual ledger's transactions. Source of names and types: Corda 5.0; there, consensual_cpk.data is a large object.
CREATE TABLE consensual_transaction (
    id           varchar(160) NOT NULL,
    privacy_salt bytea        NOT NULL,
    account_id   varchar(64)  NOT NULL,
    created      timestamp    NOT NULL,
    CONSTRAINT consensual_transaction_pkey PRIMARY KEY (id)
);

CREATE TABLE consensual_transaction_status (
    transaction_id varchar(160) NOT NULL,
    status         varchar(255) NOT NULL,
    updated        timestamp    NOT NULL,
    CONSTRAINT consensual_transaction_status_pkey PRIMARY KEY (transaction_id),
    CONSTRAINT fk_consensual_transaction_status FOREIGN KEY (transaction_id) REFERENCES consensual_transaction
);

CREATE TABLE consensual_transaction_signature (
    transaction_id varchar(160) NOT NULL,
    signature_idx  integer      NOT NULL,
    signature      bytea        NOT NULL,
    pub_key_hash   varchar(160) NOT NULL,
    created        timestamp    NOT NULL,
    CONSTRAINT consensual_transaction_signature_pkey PRIMARY KEY (transaction_id, signature_idx),
    CONSTRAINT fk_consensual_transaction_signature FOREIGN KEY (transaction_id) REFERENCES consensual_transaction
);

CREATE TABLE consensual_transaction_component (
    transaction_id varchar(160) NOT NULL,
    group_idx      integer      NOT NULL,
    leaf_idx       integer      NOT NULL,
    data           bytea        NOT NULL,
    hash           varchar(160) NOT NULL,
    created        timestamp    NOT NULL,
    CONSTRAINT consensual_transaction_component_pkey PRIMARY KEY (transaction_id, group_idx, leaf_idx),
    CONSTRAINT fk_consensual_transaction_component FOREIGN KEY (transaction_id) REFERENCES consensual_transaction
);

CREATE TABLE consensual_cpk (
    file_checksum       varchar(255) NOT NULL,
    name                varchar(255) NOT NULL,
    signer_summary_hash varchar(255) NOT NULL,
    version             varchar(255) NOT NULL,
    data                bytea        NOT NULL,
    created             timestamp    NOT NULL,
    CONSTRAINT consensual_cpk_pkey PRIMARY KEY (file_checksum)
);

CREATE TABLE consensual_transaction_cpk (
    transaction_id varchar(160) NOT NULL,
    file_checksum  varchar(255) NOT NULL,
    CONSTRAINT consensual_transaction_cpk_pkey PRIMARY KEY (transaction_id, file_checksum),
    CONSTRAINT fk_consensual_transaction_cpk_id FOREIGN KEY (transaction_id) REFERENCES consensual_transaction,
    CONSTRAINT fk_consensual_transaction_cpk_checksum FOREIGN KEY (file_checksum) REFERENCES consensual_cpk
);
