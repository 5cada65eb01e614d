pub(crate) mod verifiers {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "verifiers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub client_uid: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub first_seen_ms: i64,
        pub last_seen_ms: i64,
        pub log_id: Uuid,
        pub seq: i64,
        pub as_of_ms: i64,
        pub kids: String,
        pub steps: String,
    }

    no_relations!();
}
