//! What every HTTP client of this program begins with.

use std::{error::Error as _, time::Duration};

use reqwest::{Client, ClientBuilder, redirect};

/// A client that follows no redirect and knows no proxy; the user's environment is not asked.
pub fn builder() -> ClientBuilder {
    // Whoever else set one up was first: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("git-otto/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(30))
        .no_proxy()
}

/// An error with what is behind it: the outermost one says little.
pub fn chain(e: &reqwest::Error) -> String {
    let mut out = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        out = format!("{out}: {e}");
        source = e.source();
    }
    out
}
