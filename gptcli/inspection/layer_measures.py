"""One layer measured: metrics, strongest links and check of all its heads, a few rows at a time."""

from dataclasses import dataclass, field

import torch

from gptcli.inspection.capture import LayerRecord
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.explicit import Check, Checking
from gptcli.inspection.links import StrongestLinks
from gptcli.inspection.measures import MetricSums
from gptcli.inspection.residual import ResidualShares
from gptcli.inspection.vectors import Vectors
from gptcli.model.attention import Attention

LINKS_PER_HEAD = 10


@dataclass
class LayerMeasures:
    """What has been measured of one layer, over one text or several."""

    attention: Attention
    metrics: MetricSums = field(default_factory=MetricSums)
    checks: list[Check] = field(default_factory=list)

    @torch.inference_mode()
    def read(self, layer: LayerRecord, shown: Excerpt) -> StrongestLinks:
        """Measure the rows ``shown`` of one more text, over all their keys.

        Returns the strongest links among the tokens shown. The check is of the whole text.
        """
        vectors = Vectors.of(self.attention, layer)
        checking = Checking(self.attention, layer, vectors)
        shares = ResidualShares.of(self.attention, layer)
        links = StrongestLinks(LINKS_PER_HEAD, shown.first)
        for rows in vectors.blocks():
            weights = vectors.seen_weights(rows)
            mixed = checking.see(rows, weights)
            first, stop = max(rows.start, shown.first), min(rows.stop, shown.stop)
            if first < stop:
                own = slice(first - rows.start, stop - rows.start)
                self.metrics.add(weights[:, own], first, shares.of_rows(mixed[:, own], first))
                links.see(weights[:, own], first)
        self.checks.append(checking.result())
        return links
