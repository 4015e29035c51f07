-- Why a node that is there can take nothing new now, as its last heartbeat said; null: it can.
ALTER TABLE render.nodes ADD COLUMN unfit text;
