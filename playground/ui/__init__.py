"""The pages: the only package that knows Gradio. Layout files hold no behaviour, events files no layout."""
