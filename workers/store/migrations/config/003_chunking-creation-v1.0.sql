-- Parts of files on their way in. Source of names and types: Corda 5.0.
CREATE TABLE file_upload (
    request_id  varchar(255) NOT NULL,
    checksum    varchar(255),
    part_nr     integer      NOT NULL,
    data_offset integer      NOT NULL,
    data        bytea,
    CONSTRAINT file_upload_pk PRIMARY KEY (request_id, part_nr)
);

CREATE TABLE file_upload_props (
    update_ts  timestamp    NOT NULL,
    request_id varchar(255) NOT NULL,
    key        varchar(255) NOT NULL,
    value      varchar(255),
    CONSTRAINT file_upload_props_pk PRIMARY KEY (request_id, key)
);
CREATE INDEX file_upload_props_request_id ON file_upload_props (request_id);
