-- What the uniqueness checker knows of states and transactions. Source of names and types: Corda 5.0.
CREATE TABLE uniqueness_state_details (
    issue_tx_id_algo     varchar(8) NOT NULL,
    issue_tx_id          bytea      NOT NULL,
    issue_tx_output_idx  integer    NOT NULL,
    consuming_tx_id_algo varchar(8),
    consuming_tx_id      bytea,
    CONSTRAINT uniqueness_state_details_pkey PRIMARY KEY (issue_tx_id_algo, issue_tx_id, issue_tx_output_idx)
) WITH (fillfactor = 60); -- room for the one update of each row beside it, which then leaves the index alone; see decision 0033

CREATE TABLE uniqueness_tx_details (
    tx_id_algo           varchar(8)    NOT NULL,
    tx_id                bytea         NOT NULL,
    originator_x500_name varchar(1024) NOT NULL,
    expiry_datetime      timestamp     NOT NULL,
    commit_timestamp     timestamp     NOT NULL,
    result               char(1)       NOT NULL,
    CONSTRAINT uniqueness_tx_details_pkey PRIMARY KEY (tx_id_algo, tx_id)
);

CREATE TABLE uniqueness_rejected_txs (
    tx_id_algo    varchar(8) NOT NULL,
    tx_id         bytea      NOT NULL,
    error_details bytea      NOT NULL,
    CONSTRAINT uniqueness_rejected_txs_pkey PRIMARY KEY (tx_id_algo, tx_id)
);
