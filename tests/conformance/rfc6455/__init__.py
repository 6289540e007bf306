"""Are the edge's frames those of RFC 6455? Judged by a client that writes and reads them byte by byte."""
