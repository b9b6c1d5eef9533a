"""The purchasing demo: a solar forecast that learns what its errors cost.

A site with solar panels and a battery buys its grid energy a day ahead, so each evening a model forecasts the next
day's sun, from real weather. What the forecast promises and the sun does not give is bought at a price that depends on
the hour; what comes beyond is sold off at a loss; the battery absorbs what it can. The same model is trained twice:
towards a small forecast error, before there is a site; and towards a small cost at the site, whose gradient flows back
through the rooms. ::

    trainer ──features──▶ forecaster ──forecast──▶ site ──cost──▶ trainer
            ◀──gradient──            ◀──gradient──      ◀──gradient──
       │ request
       ▼
    weather

Each of the four is a program of its own, and short: `weather`, `forecaster`, `site` and `trainer`. What they are made
of stands beside them: `climate` (a real year), `network` (the model), `simulation` (the site and its exact gradient).
`run` starts them, `judge` and `rivals` compare the outcomes, and `plot` draws them. ``swergio demo`` runs it all.
"""

STEPS = 400
"""How many passes each training takes."""
