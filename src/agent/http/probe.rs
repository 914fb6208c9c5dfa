//! Whether an endpoint answers and takes the key, found out without asking its models anything: which ones it has is told
//! for nothing.

use std::time::Duration;

use super::{
    super::{Endpoint, Trouble},
    dialect::{self, ApiError, Dialect, Meaning},
    line,
    secrets::Secrets,
};
use crate::base::{World, http};

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the endpoint says, one phrase: it answers, or why it is of no use.
pub async fn probe(world: &World, endpoint: &Endpoint, dialect: &dyn Dialect) -> Result<String, String> {
    let secrets = Secrets::of(endpoint);
    let key = endpoint.key();
    let url = dialect::url(dialect, endpoint.url.as_deref(), key, "/models")?;
    let host = url.authority().rsplit('@').next().unwrap_or_default().to_owned();
    let headers = dialect::headers(dialect, key)?;
    let silent = |e: reqwest::Error| {
        let why = if e.is_timeout() { "it is silent".into() } else { http::chain(&e.without_url()) };
        format!("{host} does not answer: {}", secrets.line(&why))
    };
    let client = line::client(&world.env).map_err(silent)?;
    let mut response = client.get(url).headers(headers).timeout(PATIENCE).send().await.map_err(silent)?;
    let status = response.status();
    if status.is_success() {
        return Ok(match key {
            Some(_) => format!("{host} answers and takes the key"),
            None => format!("{host} answers, without a key"),
        });
    }
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() > line::ERROR_BODY {
            break;
        }
    }
    let error = ApiError::of_body(&body);
    let said = secrets.line(&error.message);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    match (error.means(status.as_u16()), key) {
        (Meaning::Trouble(Trouble::Login), Some(_)) => Err(format!("{host} refuses the key{said}")),
        (Meaning::Trouble(Trouble::Login), None) => Err(format!("{host} wants a key{said}")),
        // Some servers have models and no list of them.
        (Meaning::Trouble(Trouble::Model), _) => Ok(format!("{host} answers, but does not say which models it has")),
        _ => Err(format!("{host} answers with status {}{said}", status.as_u16())),
    }
}
