"""Where panels are drawn: one shared time axis, and how far down the page we are."""

from dataclasses import dataclass, field

from chaos.render.svg import Drawing, Scale, time_ticks

WIDTH = 1040
LEFT = 62.0
RIGHT = 14.0
GAP = 34.0


@dataclass
class Stage:
    """`x` maps seconds to coordinates; `y` is the top of what comes next."""

    drawing: Drawing
    x: Scale
    id: str
    y: float = 4.0
    shades: list[tuple[float, float]] = field(default_factory=list)  # seconds in which a fault was in force
    strikes: list[float] = field(default_factory=list)  # moments of faults that were over at once

    def panel(self, title: str, height: float, top: Scale, ticks: list[tuple[float, str]]) -> tuple[float, float]:
        """A titled plot area with its grid and the faults' shades; returns its top and bottom coordinates."""
        drawing, self.y = self.drawing, self.y + GAP
        upper, lower = self.y, self.y + height
        drawing.add("text", title, class_="panel-title", x=LEFT, y=upper - 10)
        for start, end in self.shades:
            drawing.add("rect", class_="shade", x=self.x(start), y=upper, width=self.x(end) - self.x(start), height=height)
        for moment in self.strikes:
            drawing.add("line", class_="strike", x1=self.x(moment), x2=self.x(moment), y1=upper, y2=lower)
        for moment in time_ticks(self.x.low, self.x.high):
            drawing.add("line", class_="grid", x1=self.x(moment), x2=self.x(moment), y1=upper, y2=lower)
        scale = Scale(top.low, top.high, lower, upper, top.log)
        for value, label in ticks:
            y = scale(value)
            drawing.add("line", class_="grid", x1=LEFT, x2=self.x.end, y1=y, y2=y)
            drawing.add("text", label, class_="tick", x=LEFT - 8, y=y + 4, text_anchor="end")
        self.y = lower
        return upper, lower
