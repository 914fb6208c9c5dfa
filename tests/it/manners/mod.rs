//! What a person meets around the main road: beginnings, exports, configuration, completions, manual pages, pagers.

mod answers;
mod begin;
mod config;
mod export;
mod install;
mod pager;
