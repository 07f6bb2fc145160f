"""Migration 4: the custom information of users."""

SQL = """
-- GAM: GAMUser.CustomInfo, returned with gam_user_data.
ALTER TABLE user ADD COLUMN custom_info TEXT NOT NULL DEFAULT '';
"""
