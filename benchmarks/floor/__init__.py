"""The floor: two Redis hops and a WebSocket round trip, the same libraries, no logic of ours."""
