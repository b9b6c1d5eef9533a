"""The weather service: what an evening knows of the next day, and what the sun then gave. It runs where the data is."""

import logging

from swergio.demo.weather import weather

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    weather.run()
