"""A local page to look at what was read and to correct it: `ecg-keras app`.

session -> pages that are open, read, corrected and given out; no web
overlay -> the traces over the page's picture
server  -> the page (folder `page`) and its requests, on this machine alone
command -> the command, and the call for notebooks
"""
