"""Published machines on the same maps: what their dataflow makes of a layer, compute only (docs/peers.md)."""

from hwsim.peers.cnvlutin import Cnvlutin
from hwsim.peers.peer import PEERS, Peer, PeerRun, peers_named
from hwsim.peers.scnn import Scnn
from hwsim.peers.systolic import Systolic
from hwsim.peers.table import PeerRow, peer_rows

__all__ = [
    "PEERS",
    "Cnvlutin",
    "Peer",
    "PeerRow",
    "PeerRun",
    "Scnn",
    "Systolic",
    "peer_rows",
    "peers_named",
]
