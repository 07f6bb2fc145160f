"""Showing: records become text for people (`human`) or programs (`machine`); `output` alone prints."""
