"""The Bitget dialect: v3, the unified trading account, for USDT futures and spot."""
