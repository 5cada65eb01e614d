pub(crate) mod clients {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "clients")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Uuid,
        pub client_id: String,
        pub name: String,
        pub client_type: String,
        pub active: bool,
        pub rotation: String,
        pub access_token_lifetime: Option<i32>,
        pub session_lifetime: Option<i32>,
        pub refresh_idle_lifetime: Option<i32>,
        pub late_recoveries: Option<i32>,
        pub signing_alg: Option<String>,
        pub created_ms: i64,
    }

    no_relations!();
}

pub(crate) mod client_values {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "client_values")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub value: String,
        pub position: i32,
    }

    no_relations!();
}

pub(crate) mod client_secrets {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "client_secrets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub uid: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        pub key_id: i32,
        pub mac: Vec<u8>,
        pub expires_ms: Option<i64>,
    }

    no_relations!();
}

pub(crate) mod resource_servers {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "resource_servers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub audience: String,
        pub uid: Uuid,
        pub position: i32,
        pub signing_alg: Option<String>,
        pub access_token_lifetime: Option<i32>,
    }

    relation!("Column::Uid" => super::clients::Entity, "super::clients::Entity", "super::clients::Column::Uid");
}
