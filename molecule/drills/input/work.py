"""What a client of today adds to the work of long ago: an experiment with runs, an artifact and traces with spans."""

import mlflow

AWKWARD = "Größe %2F '\"\\ {{ x }} $HOME \n 日本 😀 \t;--"

mlflow.set_experiment("drill of today")
for number in range(5):
    with mlflow.start_run(run_name=f"run {number}"):
        mlflow.log_params({"p": AWKWARD})
        mlflow.log_metrics({"m": float(number)})
        mlflow.log_text(AWKWARD * 100, "a folder/an odd name [1] +&.txt")
    with mlflow.start_span(name=AWKWARD, attributes={"a": AWKWARD}) as span:
        span.set_inputs({"question": AWKWARD})
        with mlflow.start_span(name="inner"):
            span.set_outputs(AWKWARD * 100)
mlflow.flush_trace_async_logging()
