-- Cache 1: a transaction draws its numbers after it has an id, and no session hoards numbers. The gap proof stands on both.
CREATE SEQUENCE {schema}.mt_events_sequence CACHE 1;
