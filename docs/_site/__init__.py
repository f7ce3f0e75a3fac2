"""What the site has beside its pages: navigation from docs/README.md, and reference pages written from the code."""
