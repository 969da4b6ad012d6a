"""What a panel drew: its axes, and the data of its artists."""

from reports.figures.canvas import compose
from reports.figures.style import house_style


class Drawing:
    """A panel drawn by itself, in the style of papers or of the page."""

    def __init__(self, panel, width=3.3, page=False):
        with house_style(page=page):
            composed = compose([panel], width)
        self.figure = composed.figure
        (self.ax,), (self.drawn,) = composed.figure.axes, composed.drawn

    def artists(self, gid):
        """The artists of this gid."""
        return [artist for artist in self.ax.get_children() if artist.get_gid() == gid]

    def line(self, gid):
        """(x, y) of each point of a line."""
        (artist,) = self.artists(gid)
        return list(zip(map(float, artist.get_xdata()), map(float, artist.get_ydata()), strict=True))

    def points(self, gid="points"):
        """(x, y) of each marker."""
        (artist,) = self.artists(gid)
        return [tuple(place) for place in artist.get_offsets().tolist()]

    def hollow(self, gid="points"):
        """Which markers are not filled."""
        (artist,) = self.artists(gid)
        return [tuple(face) == (1, 1, 1, 1) for face in artist.get_facecolors().tolist()]

    def segments(self, gid="intervals"):
        """Both ends of each interval."""
        return [
            [tuple(end) for end in segment.tolist()]
            for artist in self.artists(gid)
            for segment in artist.get_segments()
        ]
