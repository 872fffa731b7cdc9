"""What the exchange does not offer yet: "METHOD /template" per line. Who offers an operation deletes its line."""

NOT_YET = {
    "GET /fcm/orders",
    "GET /fcm/positions",
    "GET /historical/cutoff",
    "GET /historical/fills",
    "GET /historical/markets",
    "GET /historical/markets/{ticker}",
    "GET /historical/markets/{ticker}/candlesticks",
    "GET /historical/orders",
    "GET /historical/trades",
}
