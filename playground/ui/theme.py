"""Design tokens, one place: CSS variables for our own HTML and the Gradio theme; the only file with hex values."""

import inspect
from collections.abc import Mapping

from gradio import themes

LIGHT: Mapping[str, str] = {
    "page": "#F5F7F7", "panel": "#FFFFFF", "sunken": "#ECF0F1", "line": "#D5DCDF", "control": "#7B8891",
    "ink": "#14212A", "ink-2": "#43525D", "ink-3": "#5A6872",
    "accent": "#0B5E70", "accent-hover": "#084B5A", "on-accent": "#FFFFFF", "accent-soft": "#E0F0F3",
    "focus": "#1F5FE0", "ok": "#1C6B3C", "ok-soft": "#E3F3E9", "warn": "#84470A", "warn-soft": "#FDF0DC",
    "bad": "#A3221C", "bad-soft": "#FCEBE9",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "page": "#0E1518", "panel": "#151E22", "sunken": "#1D282D", "line": "#2E3B41", "control": "#75848C",
    "ink": "#E7EDEF", "ink-2": "#B7C3C9", "ink-3": "#99A7AE",
    "accent": "#6FC6D8", "accent-hover": "#93D7E5", "on-accent": "#06252C", "accent-soft": "#12333B",
    "focus": "#9CC2FF", "ok": "#7FD3A0", "ok-soft": "#13301F", "warn": "#F0B76B", "warn-soft": "#36270F",
    "bad": "#FF9F97", "bad-soft": "#3C1917",
}  # fmt: skip
PAIRS: tuple[tuple[str, str, float], ...] = (  # (foreground, ground, least WCAG contrast); a test measures them
    *((t, g, 4.5) for t in ("ink", "ink-2", "ink-3") for g in ("page", "panel", "sunken")),
    *(("accent", g, 4.5) for g in ("page", "panel", "sunken", "accent-soft")),
    ("on-accent", "accent", 4.5), ("on-accent", "accent-hover", 4.5), ("ink", "accent-soft", 4.5),
    *((t, g, 4.5) for t in ("ok", "warn", "bad") for g in ("page", "panel", f"{t}-soft")),
    *(("ink", f"{g}-soft", 4.5) for g in ("ok", "warn", "bad")),
    *(("control", g, 3.0) for g in ("page", "panel")),
    *(("focus", g, 3.0) for g in ("page", "panel", "sunken", "accent-soft")),
)  # fmt: skip

_GRADIO: Mapping[str, str] = {  # Gradio's variable -> our token; dark follows through the CSS variable
    "body_text_color": "ink", "body_text_color_subdued": "ink-3", "background_fill_primary": "panel",
    "background_fill_secondary": "page", "border_color_primary": "line", "border_color_accent": "accent",
    "color_accent": "accent", "color_accent_soft": "accent-soft", "link_text_color": "accent",
    "link_text_color_hover": "accent-hover", "link_text_color_active": "accent", "link_text_color_visited": "accent",
    "block_border_color": "line", "block_label_background_fill": "panel", "block_label_text_color": "ink-2",
    "block_title_text_color": "ink-2", "block_info_text_color": "ink-3", "input_background_fill": "panel",
    "input_background_fill_focus": "panel", "input_border_color": "control", "input_border_color_focus": "focus",
    "input_placeholder_color": "ink-3", "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent-hover", "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent", "button_primary_border_color": "accent",
    "button_primary_border_color_hover": "accent-hover", "button_secondary_background_fill": "panel",
    "button_secondary_background_fill_hover": "sunken", "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink", "button_secondary_border_color": "control",
    "button_secondary_border_color_hover": "control", "button_cancel_background_fill": "panel",
    "button_cancel_background_fill_hover": "bad-soft", "button_cancel_text_color": "bad",
    "button_cancel_text_color_hover": "bad", "button_cancel_border_color": "bad",
    "button_cancel_border_color_hover": "bad", "checkbox_background_color": "panel",
    "checkbox_border_color": "control", "checkbox_border_color_focus": "focus",
    "checkbox_background_color_selected": "accent", "checkbox_border_color_selected": "accent",
    "checkbox_label_background_fill": "panel", "checkbox_label_background_fill_hover": "sunken",
    "checkbox_label_background_fill_selected": "panel", "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink", "checkbox_label_border_color": "line",
    "accordion_text_color": "ink", "table_text_color": "ink",
}  # fmt: skip


def tokens_css() -> str:
    """CSS variables `--cp-*` for both modes; Gradio puts the class `dark` on the body."""
    light = "".join(f"--cp-{name}:{value};" for name, value in LIGHT.items())
    dark = "".join(f"--cp-{name}:{value};" for name, value in DARK.items())
    return f":root{{color-scheme:light;{light}}}\n.dark{{color-scheme:dark;{dark}}}\n"


def theme() -> themes.Base:
    """IBM Plex lies inside Gradio's wheel: nothing is fetched. Its weight 600 lacks letters there, so 400 and 700."""
    base = themes.Base(
        font=[themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[themes.LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace"],
        radius_size=themes.sizes.radius_sm,
        spacing_size=themes.sizes.spacing_md,
        text_size=themes.sizes.text_md,
    )
    values = {name: f"var(--cp-{token})" for name, token in _GRADIO.items()}
    known = inspect.signature(base.set).parameters
    values |= {f"{name}_dark": value for name, value in values.items() if f"{name}_dark" in known}
    flat = ("block_border_width", "block_label_border_width", "form_gap_width", "block_padding", "block_label_padding")
    values |= {name: "0px" for name in flat}
    values |= {f"{name}_dark": "0px" for name in flat if f"{name}_dark" in known}
    values |= {
        "body_background_fill": LIGHT["page"], "body_background_fill_dark": DARK["page"],  # before our CSS is there
        "block_background_fill": "transparent", "block_background_fill_dark": "transparent", "block_shadow": "none",
        "layout_gap": "12px", "button_large_radius": "6px", "button_large_text_size": "15px",
        "button_large_text_weight": "700", "button_large_padding": "10px 18px", "input_shadow": "none",
        "input_shadow_dark": "none", "input_shadow_focus": "none", "input_shadow_focus_dark": "none",
        "input_border_width": "1px", "input_border_width_dark": "1px", "button_transition": "none",
        "block_info_text_size": "13px", "block_title_text_weight": "700",
    }  # fmt: skip
    return base.set(**values)
