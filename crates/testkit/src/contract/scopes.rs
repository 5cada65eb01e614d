//! The register of scopes.

use serde_json::{Value, json};
use symbolon_core::audit::{AuditFilter, EventKind, Expected, Order};
use symbolon_core::ports::{Change, RegisteredScope};
use symbolon_core::view::{ScopeView, Version};

use crate::Fixture;

fn scope(name: &str, description: &str) -> RegisteredScope {
    RegisteredScope::new(name.parse().unwrap(), description).unwrap()
}

async fn events(fixture: &Fixture) -> Vec<(String, Value)> {
    let filter = AuditFilter {
        kinds: vec![EventKind::ScopePut, EventKind::ScopeDeleted],
        ..AuditFilter::default()
    };
    let found = fixture.audit.audit_records(&filter, Order::Earliest, None, 100);
    let parse = |record: symbolon_core::audit::AuditRecord| {
        let mut body: Value = serde_json::from_str(&record.body).unwrap();
        assert_eq!(body["target"]["kind"], "scope");
        let event = body["event"].as_str().unwrap().to_owned();
        (event, body["details"].take())
    };
    found.await.unwrap().into_iter().map(parse).collect()
}

/// In byte order; each change advances the facts by one and renews what is published.
pub async fn scopes_are_registered_replaced_and_taken_off(fixture: &Fixture) {
    let admin = &fixture.admin;
    let mut facts = fixture.log.head().await.unwrap().facts;
    let mut advanced = async |change: Change| {
        assert_eq!(change, Change::Done);
        let now = fixture.log.head().await.unwrap().facts;
        assert_eq!(std::mem::replace(&mut facts, now) + 1, now);
    };
    let published = async || fixture.facts.published().await.unwrap().scopes;
    assert!(published().await.is_empty() && admin.scopes().await.unwrap().is_empty());

    let write = scope("orders:write", "Änder Bestellungen");
    let read = scope("orders:read", "See orders");
    let upper = scope("Orders", "");
    for scope in [&write, &read, &upper] {
        advanced(admin.put_scope(scope).await.unwrap()).await;
    }
    assert_eq!(
        admin.scopes().await.unwrap(),
        [upper.clone(), read.clone(), write.clone()]
    );
    let names = ["Orders", "orders:read", "orders:write"].map(str::to_owned);
    assert_eq!(published().await, names.into());

    let reworded = scope("orders:read", "See all orders");
    advanced(admin.put_scope(&reworded).await.unwrap()).await;
    advanced(admin.delete_scope(&upper.name).await.unwrap()).await;
    assert_eq!(admin.scopes().await.unwrap(), [reworded, write]);
    let names = ["orders:read", "orders:write"].map(str::to_owned);
    assert_eq!(published().await, names.into());

    let events = events(fixture).await;
    assert_eq!(events.len(), 5);
    let seen = |name: &str, description: &str| json!({ "name": name, "description": description });
    assert_eq!(
        events[3],
        (
            "scope.put".to_owned(),
            json!({
                "before": seen("orders:read", "See orders"),
                "after": seen("orders:read", "See all orders"),
            })
        )
    );
    assert_eq!(
        events[4],
        (
            "scope.deleted".to_owned(),
            json!({ "before": seen("Orders", "") })
        )
    );
}

/// What is so already, what is not there, and what has changed since it was seen.
pub async fn scopes_that_do_not_change_leave_no_trace(fixture: &Fixture) {
    let read = scope("orders:read", "See orders");
    fixture.admin.put_scope(&read).await.unwrap();
    let (before, traces) = (fixture.log.head().await.unwrap(), events(fixture).await.len());
    assert_eq!(fixture.admin.put_scope(&read).await.unwrap(), Change::Done);
    let nothing = "orders:list".parse().unwrap();
    let unknown = fixture.admin.delete_scope(&nothing).await.unwrap();
    assert_eq!(unknown, Change::Unknown("scope"));
    let other = scope("orders:read", "Read orders");
    let expecting = |seen: &RegisteredScope| {
        let version = Version::of(&ScopeView::from(seen));
        fixture
            .admins
            .acting(Fixture::act().expecting(Some(Expected::At(version))))
    };
    let stale = expecting(&other);
    assert_eq!(stale.put_scope(&other).await.unwrap(), Change::Stale);
    assert_eq!(stale.delete_scope(&read.name).await.unwrap(), Change::Stale);
    let new = scope("orders:list", "");
    assert_eq!(stale.put_scope(&new).await.unwrap(), Change::Stale);
    assert_eq!(fixture.log.head().await.unwrap(), before);
    assert_eq!(events(fixture).await.len(), traces);
    assert_eq!(fixture.admin.scopes().await.unwrap(), std::slice::from_ref(&read));

    assert_eq!(expecting(&read).put_scope(&other).await.unwrap(), Change::Done);
    assert_eq!(
        expecting(&other).delete_scope(&read.name).await.unwrap(),
        Change::Done
    );
}
