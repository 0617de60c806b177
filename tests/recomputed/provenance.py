"""The table of how the models were trained, from the run.json beside the predictions."""

import json
from datetime import datetime

from recomputed.study import GROUPS, RUNS

COLUMNS = ("Trainer", "Fold", "Seed", "Loss", "Recipe", "Network", "Status", "Epochs", "Planned epochs", "Best epoch",
           "Plan", "Data", "Training cases", "Versions", "Device", "Hours", "GPU-hours", "Started", "Sessions")


def provenance(scores):
    rows = []
    for group in GROUPS:
        for run in range(RUNS):
            path = scores.folder / "pred" / f"{group}{run}" / "run.json"
            cells = row(json.loads(path.read_text())) if path.exists() else dict.fromkeys(COLUMNS, "not recorded")
            rows.append({"Group": group, "Run": run, **cells})
    return rows


def row(record):
    hours = [(datetime.fromisoformat(one["updated"]) - datetime.fromisoformat(one["started"])).total_seconds() / 3600
             for one in record["sessions"]]
    network, first = record["network"], record["sessions"][0]
    versions, devices = [], []
    for one in record["sessions"]:
        names = one["versions"]
        versions.append(f"nnunet-tv {names['nnunet-tv']}, nnunetv2 {names['nnunetv2']}, torch {names['torch']}, "
                        f"CUDA {names['cuda']}, Python {names['python']}")
        device = one["device"]
        count = f"{device['count']} × " if device["count"] > 1 else ""
        devices.append(f"{count}{device['name']}, {round(device['memory_bytes'] / 1024 ** 3)} GiB")
    return {
        "Trainer": record["trainer"], "Fold": str(record["fold"]), "Seed": str(record["seeds"]["seed"]),
        "Loss": f"{record['loss']} (tv_weight {record['loss_settings']['tv_weight']})",
        "Recipe": "TV paper, AdamW from 0.0001",
        "Network": f"{network['class_name'].split('.')[-1]}, {network['parameters']} parameters, patch 96×96×96, "
                   f"batch {network['batch_size']}",
        "Status": record["status"], "Epochs": record["epochs"], "Planned epochs": record["planned_epochs"],
        "Best epoch": str(record["best_epoch"]), "Plan": record["plan_sha256"][:12],
        "Data": record["data"]["sha256"][:12],
        "Training cases": "; ".join(f"{one['cases']} {role}" for role, one in record["data"]["roles"].items()
                                    ).replace("; ", ", "),
        "Versions": "; then ".join(dict.fromkeys(versions)), "Device": "; then ".join(dict.fromkeys(devices)),
        "Hours": sum(hours), "Started": first["started"].split("T")[0], "Sessions": len(record["sessions"]),
        "GPU-hours": sum(one["device"]["count"] * time for one, time in zip(record["sessions"], hours, strict=True))}
