-- How often staff have had a refund tried again that the provider had refused.
ALTER TABLE refunds ADD COLUMN retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0);
