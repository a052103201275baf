"""Runs with a client's Python: models, images, tables and figures come back as they were. Argument: an experiment."""

import sys

import matplotlib.figure
import mlflow
import numpy
import pandas
from sklearn.linear_model import LinearRegression


class Doubles(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[float]) -> list[float]:
        return [2 * value for value in model_input]


def main():
    mlflow.set_experiment(sys.argv[1])
    inputs = numpy.arange(10.0).reshape(-1, 1)
    model = LinearRegression().fit(inputs, 3 * inputs.ravel() + 1)
    picture = numpy.zeros((8, 8, 3), dtype=numpy.uint8)
    table = pandas.DataFrame({"question": ["one ☃", "two"], "answer": [1, 2]})
    figure = matplotlib.figure.Figure()
    figure.subplots().plot([1, 2, 3])
    with mlflow.start_run() as run:
        logged = mlflow.sklearn.log_model(model, name="linear", registered_model_name="linear", input_example=inputs[:2])
        own = mlflow.pyfunc.log_model(name="doubles", python_model=Doubles())
        mlflow.log_image(picture, "pictures/black.png")
        mlflow.log_image(picture, key="steps", step=1)
        mlflow.log_table(table, "table.json")
        mlflow.log_table(table, "table.json")
        mlflow.log_figure(figure, "figure.png")
    # Also those that were logged in a former mode.
    versions = [f"models:/linear/{number + 1}" for number in range(int(logged.registered_model_version))]
    for uri in (logged.model_uri, *versions):
        assert numpy.allclose(mlflow.sklearn.load_model(uri).predict([[20.0]]), 61), uri
    assert mlflow.pyfunc.load_model(own.model_uri).predict([1.5, 2.0]) == [3.0, 4.0]
    assert numpy.asarray(mlflow.artifacts.load_image(f"{run.info.artifact_uri}/pictures/black.png")).shape == (8, 8, 3)
    assert mlflow.load_table("table.json", run_ids=[run.info.run_id])["question"].tolist() == ["one ☃", "two"] * 2
    steps = {item.path for item in mlflow.MlflowClient().list_artifacts(run.info.run_id, "images")}
    assert len(steps) == 2, steps
    assert mlflow.artifacts.load_image(f"{run.info.artifact_uri}/figure.png").width > 100
    print("ok", run.info.artifact_uri.partition(":")[0])


if __name__ == "__main__":
    main()
