"""The local web chat: tries the product without any account. It exists only in the demo, on loopback.

`clock` a clock that can be moved; `store` its messages, in a file of its own; `places` the people and channels of the
directory; `render` cards, pages and forms as data for the page; `gateway` the chat that Echelon writes to; `talk` what
people type, press and submit; `feed` what one person sees; `guard` the walls around the requests; `routes` the web
application; `demo` the cast. The page itself is in `page/`: plain HTML, CSS and JavaScript modules.
"""
