-- Certificates of the cluster, and static networks. Source of names and types: Corda 5.0.
CREATE TABLE cluster_certificate (
    alias           varchar(255) NOT NULL,
    usage           varchar(255) NOT NULL,
    raw_certificate text         NOT NULL,
    CONSTRAINT certificate_pk PRIMARY KEY (alias)
);
CREATE INDEX cluster_certificate_usage ON cluster_certificate (usage);

CREATE TABLE static_network_info (
    group_id                varchar(255) NOT NULL,
    mgm_public_signing_key  bytea        NOT NULL,
    mgm_private_signing_key bytea        NOT NULL,
    group_parameters        bytea        NOT NULL,
    version                 integer      NOT NULL,
    CONSTRAINT static_network_info_pk PRIMARY KEY (group_id)
);
