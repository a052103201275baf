-- The same content for both stacks. Ids are fixed, so that the load needs to look nothing up:
-- experiments 1000-1199 (1000 load, 1001 search, 1002 new runs, 1003 traces); runs of a kind are <kind><number> in 4 + 28 hexadecimal digits.
BEGIN;
INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
SELECT id, 'bench ' || id, 'mlflow-artifacts:/' || id, 'active', 1700000000000 + id, 1700000000000 + id FROM generate_series(1000, 1199) AS id;
SELECT setval('experiments_experiment_id_seq', 2000);

CREATE TEMPORARY TABLE kinds (kind text, amount int, experiment int) ON COMMIT DROP;
INSERT INTO kinds VALUES ('0010', 64, 1000), ('0500', 64, 1000), ('0100', 4096, 1000), ('5ea7', 10000, 1001), ('4157', 1, 1000);
CREATE TEMPORARY TABLE seeds ON COMMIT DROP AS
SELECT kind || lpad(to_hex(number), 28, '0') AS id, kind, number, experiment FROM kinds, generate_series(1, amount) AS number;

INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)
SELECT id, 'run ' || number, 'UNKNOWN', '', '', 'bench', 'RUNNING', 1700000000000 + number, '', 'active', 'mlflow-artifacts:/' || experiment || '/' || id || '/artifacts', experiment
FROM seeds;
INSERT INTO tags (key, value, run_uuid)
SELECT key, value, id FROM seeds, LATERAL (VALUES ('mlflow.user', 'bench'), ('mlflow.runName', 'run ' || number), ('mlflow.source.name', 'train.py')) AS tag (key, value);
INSERT INTO params (key, value, run_uuid)
SELECT key, value, id FROM seeds, LATERAL (VALUES ('model', 'm' || number % 10), ('seed', number::text), ('optimizer', 'adam')) AS param (key, value) WHERE kind = '5ea7';
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT key, value, 1700000000000, 1, false, id FROM seeds, LATERAL (VALUES ('accuracy', (number * 7919 % 10000) / 10000.0), ('loss', 1.0 / number)) AS metric (key, value) WHERE kind = '5ea7';
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) SELECT key, value, timestamp, step, is_nan, run_uuid FROM latest_metrics WHERE run_uuid LIKE '5ea7%';
INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) SELECT 'loss', 1.0 / step, 1700000000000 + step, step, false, id FROM seeds, generate_series(1, 1000) AS step WHERE kind = '4157';
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) SELECT 'loss', 0.001, 1700000001000, 1000, false, id FROM seeds WHERE kind = '4157';
-- The runs of the log-batch workloads are under way: what is logged has been logged before.
INSERT INTO params (key, value, run_uuid) SELECT key, value, id FROM seeds, LATERAL (VALUES ('lr', '0.1'), ('depth', '6')) AS param (key, value) WHERE kind = '0010';
INSERT INTO tags (key, value, run_uuid) SELECT 'stage', 'train', id FROM seeds WHERE kind = '0010';
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT 'metric' || metric, 0, 1700000000000, 0, false, id FROM seeds, generate_series(1, 500) AS metric WHERE kind IN ('0010', '0500') AND metric <= kind::int;
COMMIT;
VACUUM ANALYZE;
