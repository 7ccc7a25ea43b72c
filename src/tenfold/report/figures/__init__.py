"""Arrays in, figures out: positions in percent of the plot area, which the templates turn into SVG and CSS.

Lines are SVG stretched over the plot area, labels are HTML on top of it: both stay sharp, and text keeps
its size, at every width of the page.
"""
