//! Workspaces: creation, snapshots, reuse, removal.
