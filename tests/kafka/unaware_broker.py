"""The command line with a broker that knows no topics: `python -m tests.kafka.unaware_broker FILE COMMAND…`.

So one is for a moment after it has started again, to whoever asks it then. It is here as long as FILE is.
"""

import sys
from pathlib import Path

from aiokafka.cluster import ClusterMetadata


def knows_nothing_while(file: Path) -> None:
    """From now on workers of this process are told of no partitions as long as the file is there."""
    told = ClusterMetadata.partitions_for_topic
    ClusterMetadata.partitions_for_topic = lambda self, topic: None if file.exists() else told(self, topic)


if __name__ == "__main__":
    knows_nothing_while(Path(sys.argv.pop(1)))
    from consumers.cli.main import main

    main()
