-- When each tenant was last given a piece, counted in pieces given out. With fewer slots than tenants, slots in use alone tell nobody apart: whoever gets a slot back has none at that moment.
CREATE SEQUENCE render.turn;

CREATE TABLE render.turns (
    tenant_id uuid PRIMARY KEY,
    given bigint NOT NULL
);
