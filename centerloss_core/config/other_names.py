"""What other programs call our settings, to answer a key or a flag that we do not have with the one that is meant."""

_KEYS = {
    "train.learning_rate": "lr base_lr init_lr learningrate",
    "train.epochs": "epoch num_epochs n_epochs max_epochs nb_epoch",
    "train.iterations": "steps iters num_steps max_steps num_iterations max_iter max_iters",
    "train.batch_size": "bs batch batchsize train_batch_size",
    "train.optimizer": "opt optim",
    "train.weight_decay": "wd l2 decay",
    "train.schedule": "scheduler lr_scheduler lr_schedule",
    "train.precision": "dtype amp fp16 bf16",
    "train.seed": "random_seed manual_seed random_state",
    "train.device": "gpu gpus gpu_id cuda",
    "train.log_every": "log_interval print_freq",
    "data.name": "dataset data_set",
    "data.dir": "data_dir data_path data_root root",
    "model.feature_dim": "feature_size embedding_size embedding_dim emb_dim feat_dim",
    "loss.lambda": "lambda_c lambda_center lamda center_weight center_loss_weight weight_cent loss_weight",
    "loss.alpha": "alpha_c center_alpha center_lr lr_cent center_loss_alfa center_loss_lr",
}

# By a name of theirs, written with underscores: our dotted key.
OTHER_NAMES = {name: key for key, names in _KEYS.items() for name in names.split()}
