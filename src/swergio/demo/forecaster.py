"""The forecaster: a model that promises the sun of the next day, hour by hour.

It knows nothing of the site, of prices or of batteries. It hears what it was told about an evening in the room
``features`` and promises in the room ``forecast``; what comes back there is a gradient, whatever it is the gradient of.
"""

import swergio
from swergio.demo.climate import Array
from swergio.demo.network import Network

forecaster = swergio.Component("forecaster")
network = Network()


@forecaster.forward("features", "forecast")
def predict(ctx: swergio.Context, features: Array) -> Array:
    """
    Forecast the 24 hours of each day, shape (days, 24), in kW/m².
    """
    forecast, trace = network.forward(features)
    ctx.save(trace)
    return forecast


@predict.backward
def learn(ctx: swergio.Context, grad: Array) -> Array:
    """
    Take one step against the gradient, if the pass is there to learn from, and return the one by the features.
    """
    (trace,) = ctx.saved
    grad_features, gradients = network.backward(grad, trace)
    if ctx.training:
        network.update(gradients)
        predict.updated()
    return grad_features


@forecaster.on("restart")
def restart(message: swergio.Message) -> None:
    """
    Begin from new random weights.
    """
    network.restart(message.data["seed"])


if __name__ == "__main__":
    forecaster.run()
