CREATE TABLE content.templates (
    template_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    name text NOT NULL,
    bundle_digest text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX templates_of_tenant ON content.templates (tenant_id, created_at DESC);
