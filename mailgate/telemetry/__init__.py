"""Names, logs, metrics and traces. Import from the modules: nothing heavy is loaded until it is used.

`names` every name · `histogram`, `sample` plain values (pure) · `options` `[telemetry]` · `metrics` the Prometheus page · `lag` the loop's
lateness · `traceparent` W3C trace context (pure) · `traces` spans, exported by OTLP · `logs` structured logs.
"""
