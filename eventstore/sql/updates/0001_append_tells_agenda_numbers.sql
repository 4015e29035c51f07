-- append takes a mark for each memory and returns the numbers of agenda rows: the one of release 0.1.0 goes.
DROP FUNCTION IF EXISTS {schema}.append(uuid[], varchar[], bigint[], bigint[], timestamptz[], jsonb[], uuid[], bigint[], uuid[], varchar[], jsonb[], jsonb[], uuid[], varchar[], timestamptz[], varchar[], jsonb[], jsonb[]);
