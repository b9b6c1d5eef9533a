"""The forecaster: a model that learns what its forecasts cost, and that survives its host.

Every few updates it sends what it has learned to the room ``weights``, which keeps it. When this program is started on
another host, that is the first thing it gets, and it goes on from there. It is the only one of its name: started while
another one is connected, it ends with `NameTaken`. So a second host can hold it ready, with something that starts it
again and again (systemd does): it gets in as soon as the first one is lost.
"""

import logging

import swergio
from swergio.demo.network import Network

EVERY = 10  # updates

log = logging.getLogger("forecaster")

forecaster = swergio.Component("forecaster", unique=True)
network = Network()


# Registered first, as rooms are joined in this order: nothing is forecast before what was kept has come.
@forecaster.on("weights", kept=True)
def take_over(message):
    """
    Go on from where the forecaster before this one was.
    """
    learned = message.data
    network.steps = learned["steps"]
    # What arrives is read-only, and an update changes the last two in place.
    network.weights, network.means, network.squares = (
        [array.copy() for array in learned[name]] for name in ("weights", "means", "squares")
    )
    log.info("goes on after %d updates", network.steps)


@forecaster.forward("features", "forecast")
def predict(ctx, features):
    """
    Forecast the 24 hours of each day, shape (days, 24), in kW/m².
    """
    forecast, trace = network.forward(features)
    ctx.save(trace)
    return forecast


@predict.backward
def learn(ctx, grad):
    """
    Take one step against the gradient, if the pass is there to learn from, and return the one by the features.
    """
    grad_features, gradients = network.backward(grad, ctx.saved[0])
    if ctx.training:
        network.update(gradients)
        predict.updated()
        if network.steps % EVERY == 0:
            keep()
    return grad_features


@forecaster.on("restart")
def restart(message):
    """
    Begin from new random weights.
    """
    network.restart(message.data["seed"])
    keep()


def keep():
    """
    Leave what was learned in the room, for whoever comes after.
    """
    learned = {name: getattr(network, name) for name in ("weights", "means", "squares", "steps")}
    forecaster.send("weights", learned, keep=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    forecaster.run()
