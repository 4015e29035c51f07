-- A row that grows on its own page needs no new index entries.
ALTER TABLE {schema}.mt_streams SET (fillfactor = 70);
ALTER TABLE {schema}.mt_doc_renderjob SET (fillfactor = 50);
