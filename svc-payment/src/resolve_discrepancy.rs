//! Staff have dealt with something that did not agree.

use crate::{
    app::App,
    error::Error,
    reconciliation::{Discrepancy, DiscrepancyId, Resolution, State},
    store::discrepancies,
};

/// Closes a discrepancy with a reason. The same again changes nothing.
///
/// # Errors
/// [`Error::DiscrepancyNotFound`]; [`Error::DiscrepancyClosed`] when it was
/// resolved otherwise, or has vanished.
pub async fn resolve_discrepancy(
    app: &App,
    id: DiscrepancyId,
    resolution: Resolution,
) -> Result<Discrepancy, Error> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let Some(discrepancy) = discrepancies::lock(&mut tx, id).await? else {
        return Err(Error::DiscrepancyNotFound);
    };
    match discrepancy.state {
        State::Open => {}
        State::Resolved if discrepancy.resolution.as_ref() == Some(&resolution) => {
            return Ok(discrepancy);
        }
        State::Resolved | State::Vanished => return Err(Error::DiscrepancyClosed),
    }
    discrepancies::resolve(&mut tx, id, &resolution, now).await?;
    tx.commit().await?;
    tracing::info!(discrepancy_id = %id, "discrepancy resolved");
    Ok(Discrepancy {
        state: State::Resolved,
        close_time: Some(now),
        resolution: Some(resolution),
        ..discrepancy
    })
}
