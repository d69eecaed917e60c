"""The Binance dialect (USDⓈ-M futures and spot), read from the protocol sheet of 2026-11."""
