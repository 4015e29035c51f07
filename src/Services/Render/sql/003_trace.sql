-- W3C traceparent of the request that a render came of, so that what nodes do for it is found with it.
ALTER TABLE render.jobs ADD COLUMN trace text NULL;
