//! What would come of making clients.

use std::collections::{HashMap, HashSet};

use symbolon_core::ClientId;
use symbolon_core::client::Client;
use symbolon_core::ports::{Change, StoreResult};
use symbolon_core::rights::is_admin_audience;
use symbolon_oauth_types::ResourceIndicator;

use crate::api::Api;

/// Says what [`symbolon_core::ports::AdminStore::add_client`] would answer, were those before made. Between the forecast and
/// the doing others may change things.
pub(super) struct Forecast<'a> {
    api: &'a Api,
    ids: HashSet<ClientId>,
    /// Whether somebody serves it; what is not here was not asked for yet.
    audiences: HashMap<ResourceIndicator, bool>,
}

impl<'a> Forecast<'a> {
    pub(super) fn new(api: &'a Api) -> Self {
        Self {
            api,
            ids: HashSet::new(),
            audiences: HashMap::new(),
        }
    }

    pub(super) async fn foresee(&mut self, client: &Client) -> StoreResult<Change> {
        let id = &client.client_id;
        if self.ids.contains(id) || self.api.parts.facts.client(id).await?.is_some() {
            return Ok(Change::Taken("client_id"));
        }
        let serves: HashSet<_> = client
            .policy
            .serves
            .iter()
            .map(|served| &served.indicator)
            .collect();
        for audience in &serves {
            if self.is_served(audience).await? {
                return Ok(Change::Taken("audience"));
            }
        }
        for audience in &client.policy.audiences {
            let is_known = is_admin_audience(audience) || serves.contains(audience);
            if !is_known && !self.is_served(audience).await? {
                return Ok(Change::Unknown("audience"));
            }
        }
        self.ids.insert(id.clone());
        for audience in serves {
            self.audiences.insert(audience.clone(), true);
        }
        Ok(Change::Done)
    }

    async fn is_served(&mut self, audience: &ResourceIndicator) -> StoreResult<bool> {
        if let Some(known) = self.audiences.get(audience) {
            return Ok(*known);
        }
        let found = self.api.audience(audience).await?.is_some();
        self.audiences.insert(audience.clone(), found);
        Ok(found)
    }
}
