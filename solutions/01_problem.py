# %% [markdown]
# # 01 · Give everybody a model of their own, and see what it costs
#
# Seven developers deploy the same model, each for themselves. You measure what they get, what it holds, and what nobody
# can tell afterwards. Then the same seven share one.
#
# **You will do**: deploy one model seven times, find out why most of the pods wait, measure how busy the others are,
# ask who used them, then serve the same people with one model behind a gateway, and set both side by side.
#
# **You will learn**: what an idle model costs, what "sharing means waiting" is worth as a rule, the three components of
# Models-as-a-Service, and how to tell how many copies are enough.
#
# **You need**: a running lab (`./lab up`), 2 GB of free memory, and about 35 minutes. That is an estimate for reading
# and solving; the cells themselves run for 40 seconds (measured 2026-11-28 on two cores).

# %% tags=["parameters"]
prefix: str = "maas-lab-01"  # your namespace and your keys are named after it
people: int = 7  # how many developers deploy the model
agreed: bool = False  # whether you may take real GPUs, all that are free
questions: int = 3  # what each of them asks in their day's work
think: float = 3.0  # seconds that they read and think before a question, on average
longest: int = 8  # tokens of an answer at most
at_once: int = 4  # calls that one copy of the model works on at the same time, when you measure its speed
patience: int = 240  # seconds to wait for pods at most; on a cluster, images come over the network

# %% [markdown]
# ## The story
#
# Your organisation has bought GPUs (graphics processors). It gives its developers what they ask for: the right to
# deploy models. So whoever needs a model deploys one.
#
# From the deck: seven people had deployed the same Granite model and used seven GPUs. The models sat idle while nobody
# asked them anything, and nobody knew who used what. And: 19,000 employees cannot each have a GPU.
#
# These are claims. Here you measure them, in small.
#
# ```mermaid
# flowchart LR
#   accTitle: Before, everybody has a model of their own
#   accDescr {
#     Each of the developers has deployed a model server of their own and calls only that one. Some of the servers have
#     a GPU slot of the node each. The others wait for a slot, and their developers have no model.
#   }
#   a(["developer"]) --> ma["the model"] --> sa["GPU slot"]
#   b(["developer"]) --> mb["the same model"] --> sb["GPU slot"]
#   c(["developer"]) --> mc["the same model, pending"] -.-> none["no slot left"]
#   d(["developer"]) --> md["the same model, pending"] -.-> none
# ```

# %%
from maas_lab import (
    ask,
    ask_many,
    capacity,
    checks,
    connect,
    hoarding,
    manifests,
    metrics,
    platform_secrets,
    plots,
    usage,
    widgets,
)

lab = connect()
lab

# %% [markdown]
# ## Look: what is there to take?
#
# A pod gets a GPU when it asks for a **resource** by its name. A node says how many of that it offers, the
# **scheduler** gives each to one pod, and as long as the pod lives nobody else gets it, busy or not.
#
# On a cluster the resource stands for devices. This lesson takes all that are free, so it refuses to do that until
# somebody has agreed (`agreed`). Where the cluster says itself that nothing is behind the name, you may just go on.

# %%
slot = hoarding.slot(lab, agreed=agreed)
print("what stands for a GPU here: ", slot.resource)
print("a real device is behind it: ", slot.is_device)
print("offered by all nodes:       ", hoarding.offer(lab.cluster, slot.resource).offered)

# %% [markdown]
# ## Deploy the same model seven times
#
# You are the seven. `claim` makes a namespace for them, and removes what an earlier run of this lesson has left. If the
# lesson runs in another notebook of yours at this moment, it waits for its end.
#
# Everybody takes the manifests of the lab's own model, gives the copy a name of their own, and asks for one slot.
#
# **Predict**: how many of the seven will run? What happens to the others: an error, a queue, or half a GPU each?

# %%
namespace = lab.cluster.own_namespace(prefix)
own = hoarding.claim(lab.cluster, namespace, patience)
lab.cluster.apply([one for one in platform_secrets() if one.name == "model-secret"], namespace)

models = manifests.render(lab.overlay("models"), namespace)
names = hoarding.developers(people)
for name in names:
    lab.cluster.apply(hoarding.own_server(models, name, slot))
print("deployed for:", ", ".join(names))

# %%
crowd = hoarding.settle(lab, namespace, names, patience)
crowd

# %% [markdown]
# Nobody was refused. All seven `apply` were accepted, and from their own side all seven did everything right. A pod
# without a place is **Pending**: it waits, without an end.

# %% tags=["nbval-ignore-output"]
lab.cluster.pods(namespace)

# %% [markdown]
# ## Find the scheduler's reason
#
# Imagine you are one of those who wait. You see `Pending`, and no log, because nothing has ever started. What is left
# are the **events** of your pod: the scheduler writes there why it found no node.

# %%
waiting = crowd.pods[crowd.waiting[0]]
event = next(one for one in lab.cluster.events(namespace, of=f"pod/{waiting}") if one.type == "Warning")

# %% tags=["nbval-ignore-output"]
print(event.message)

# %% [markdown]
# **Exercise 1.1** Two facts of that event: `reason`, its reason in one word; and `missing`, the name of the resource of
# which there is none left.

# %%
reason = event.reason  # SOLUTION
missing = lab.gpu_resource  # SOLUTION

# %%
checks.unplaced(lab, namespace, reason, missing)

# %% [markdown]
# The message does not say who holds the slots, or whether they use them. The scheduler knows requests, and nothing of
# what happens inside. So you look there yourself.
#
# ## Measure how busy they are
#
# Those who run begin their day's work. Developers do not ask all the time: they ask, read the answer, think, and ask
# again. Each asks their own server directly. (Pauses and questions are the same in every run; pauses are seconds here,
# and minutes at work, so real servers are idle for longer than yours.)
#
# **Predict**: in which share of the time do their models compute?

# %%
from datetime import UTC, datetime

day = hoarding.days(names, questions, think)
desks = {name: hoarding.desk(lab, namespace, name) for name in crowd.running}
engines = {name: lab.engine(desk.model, namespace) for name, desk in desks.items()}

began = datetime.now(UTC)
first = {name: engine.scrape() for name, engine in engines.items()}
alone = hoarding.work(day, desks, max_tokens=longest)
second = {name: engine.scrape() for name, engine in engines.items()}
print("those who run:", alone)

# %% [markdown]
# A model server counts what it does. To **scrape** it means to read its counters once. `call_seconds` are the seconds
# in which it computed since it started. Look at the two scrapes of one owner:

# %%
owner = crowd.running[0]

# %% tags=["nbval-ignore-output"]
import pandas as pd

scrapes = {"first": first[owner], "second": second[owner]}
pd.concat({name: scrape.frame.set_index("meaning")["value"] for name, scrape in scrapes.items()}, axis=1)

# %% [markdown]
# **Exercise 1.2** `busy`: in which share of the time between the two scrapes did the owner's model compute? A share
# is a number from 0 to 1. Both `first[owner]` and `second[owner]` have `call_seconds` and `time`.

# %%
busy = (  # SOLUTION
    second[owner].call_seconds - first[owner].call_seconds
) / (second[owner].time - first[owner].time).total_seconds()

# %%
checks.busy(lab, namespace, owner, first[owner], second[owner], busy)

# %% [markdown]
# And what did it hold meanwhile? What a pod **reserves** are its requests: nobody else can have that, used or not.
# Those who wait hold nothing, and have nothing.

# %%
hoarded = hoarding.reserved(lab.cluster, namespace, slot.resource)
print(f"slots:  {hoarded.asked_slots} asked for, {hoarded.held_slots} held")
print(f"memory: {hoarded.asked_memory / 2**30:g} GiB asked for, {hoarded.held_memory / 2**30:g} GiB held")

# %% [markdown]
# What the pods really use, the cluster measures, too. (It does so every few seconds: a new pod may have no row yet.)
# And with the same formula as in your exercise: how busy were all who run?

# %% tags=["nbval-ignore-output"]
growth = {name: second[name].call_seconds - first[name].call_seconds for name in crowd.running}
passed = {name: (second[name].time - first[name].time).total_seconds() for name in crowd.running}
busy_hoarded = sum(growth[name] / passed[name] for name in crowd.running) / len(crowd.running)
print(f"busy while their owners worked: {busy_hoarded:.0%} of the time, on average")
lab.cluster.top(namespace)

# %% [markdown]
# The misconception: **"idle GPUs cost nothing"**. A slot is paid for by the hour, and the others have no model because
# of slots that rest most of the time. Both stay so when the owners go to lunch.
#
# ## Ask who used it
#
# Your manager asks a simple question: "Who used how many tokens yesterday?" One of those who wait has found a way:
# they borrow a colleague's server. Nothing stops them.

# %%
borrower = crowd.waiting[0]
borrowed = ask(desks[owner].client, "What is a pod?", model=desks[owner].model, max_tokens=longest)
print("the borrower got an answer:", borrowed.completion_tokens > 0)

# %% [markdown]
# Now look for the borrower in all places that could know: the server's metrics, its log, the events of its pod. And the
# gateway's spend rows, should a call have come by there.
#
# Metrics are told apart by **labels**, such as the model's name. Which labels are there, and is one of them a person?

# %%
places = hoarding.witnesses(lab, namespace, crowd, owner)
print("places:", ", ".join(places))
print("labels in the metrics:", metrics.label_names(places["metrics"]) or "none")

# %% tags=["nbval-ignore-output"]
print("\n".join(places["log"].splitlines()[-4:]))

# %%
ids = [*alone.frame["request_id"], borrowed.id]
rows = lab.usage.rows(usage.Window(began, datetime.now(UTC)))

# %% [markdown]
# **Exercise 1.3** Show that the answer does not exist. `named`: a list of those `places` whose text holds the name of
# the `borrower`. `booked`: how many of the calls in `ids` are among the gateway's `rows` (column `request_id`).

# %%
named = [place for place, text in places.items() if borrower in text]  # SOLUTION
booked = rows["request_id"].isin(ids).sum()  # SOLUTION

# %%
asked = {"owner": owner, "borrower": borrower, "since": began, "ids": ids}
checks.unknown(lab, namespace, crowd, asked, named, booked)

# %% [markdown]
# The server's name says who **deployed** it, and nobody says who **asked**. There is no "yesterday" either: counters
# begin at zero with each start of a server, and go with its pod.
#
# The misconception: **"a namespace for each team is governance"**. It says who may deploy. It counts no token and names
# no caller.
#
# You have seen enough. Delete the servers, so that others can have the slots.

# %%
lab.cluster.delete([f"isvc/{hoarding.server_name(lab.model, name)}" for name in names], namespace, timeout=patience)
print("pods left:", len(lab.cluster.pods(namespace)))

# %% [markdown]
# ## Turn it round
#
# Nobody who uses a public AI provider asks for a GPU. They get an **address and a key**, and pay for tokens. That is
# the whole philosophy of **Models-as-a-Service**: do the same inside. Copy the business, not the hardware. It takes
# three components:
#
# - **Model serving**: experts run each model once, well, for everybody.
# - **API gateway**: checks the key of every call, counts its tokens, steers the traffic.
# - **Self-service portal**: gives out keys to whoever may have one, without a ticket.

# %% [markdown]
# ```mermaid
# flowchart LR
#   accTitle: After, everybody shares one model
#   accDescr {
#     Developers get keys at the self-service portal, which lets the API gateway make them. They call the gateway with
#     their keys. The gateway calls one model server, which has one GPU slot, and writes a spend row for each call.
#   }
#   people(["seven developers"]) -- "get keys" --> portal["self-service portal"]
#   portal -- "make keys" --> gateway
#   people -- "calls with keys" --> gateway["API gateway"]
#   gateway --> model["model serving: one model"] --> slot["GPU slot"]
#   gateway -- "a row per call" --> rows[("spend rows")]
# ```
#
# And this is the way of one request:
#
# ```mermaid
# flowchart LR
#   accTitle: The way of one request
#   accDescr {
#     One, an application sends a question with its key to the gateway, which checks the key. Two, it passes the
#     question on to the model server. Three, that answers, with its count of tokens. Four, the gateway passes the
#     answer back with an id. Five, it writes a spend row under that id: who, which model, how many tokens, what cost.
#   }
#   app["application"] -- "1 · question and key" --> gateway["API gateway: checks the key"]
#   gateway -- "2 · question" --> model["model server"]
#   model -. "3 · answer and its tokens" .-> gateway
#   gateway -. "4 · answer with an id" .-> app
#   gateway -- "5 · who, model, tokens, cost, id" --> rows[("spend rows")]
# ```

# %% [markdown]
# ## Share one model
#
# The same seven, each with a key now. (People would get theirs at the portal, in lesson 03; here the gateway's
# administrator makes all seven. The first line removes what an earlier run has left.)
#
# They ask the same questions with the same pauses. **Predict**: seven people on one copy. How busy is it, and how much
# longer does each of them wait?


# %%
def keys_of_this_lesson():
    everything = lab.gateway.keys()
    return [key.hash for key in everything if key.application in applications.values()]


applications = {name: f"{name} of {namespace}" for name in names}
lab.gateway.delete_key(*keys_of_this_lesson())
keys = {name: lab.gateway.create_key(called, models=[lab.model]) for name, called in applications.items()}
clients = {name: lab.client(key) for name, key in keys.items()}
print("keys:", len(keys))

# %%
shared_since = datetime.now(UTC)
with lab.engine().watching(every=0.2) as watched:
    shared_desks = {name: hoarding.Desk(client, lab.model) for name, client in clients.items()}
    together = hoarding.work(day, shared_desks, max_tokens=longest)
busy_shared = watched.busy
print("all of them:", together)
print("people who got answers: before", alone.frame["person"].nunique(), "and now", together.frame["person"].nunique())

# %% [markdown]
# Nobody waits for a slot any more. But each call takes longer than one on a server of one's own. See by how much: half
# of all questions are answered within **p50** seconds, 95 of 100 within **p95**. (Of so few calls, p95 is nearly the
# longest. A part of the difference, some hundredths of a second, is the gateway's own work.)

# %% tags=["nbval-ignore-output"]
waits = pd.DataFrame({"alone": alone.frame["seconds"], "shared": together.frame["seconds"]}).quantile([0.5, 0.95])
waits.rename(index={0.5: "p50, seconds", 0.95: "p95, seconds"}).round(2)

# %% [markdown]
# The misconception: **"sharing means waiting"**. It is true while many ask at the same moment, as they do here with
# pauses of seconds: the server works on their calls together, and each gets a part of its speed.
#
# It is not true while one asks and the others think, as they mostly do with pauses of minutes: then each has the whole
# server. And those who had no slot waited for ever.

# %% [markdown]
# Now the manager's question, for the last minute instead of yesterday. The cell first waits until the gateway has
# booked each person's last call.

# %%
for request_id in together.frame.drop_duplicates("person", keep="last")["request_id"]:
    lab.gateway.spend_row(request_id)
run = usage.Window(shared_since, datetime.now(UTC), name="the shared minute")
told = lab.usage.summary(run, by="application").set_index("application")
tokens = {name: int(told.loc[called, "total_tokens"]) for name, called in applications.items()}
counted = together.frame.groupby("person")["total_tokens"].sum()
print("the gateway's tokens are those that each person has counted:", tokens == counted.to_dict())

# %% tags=["nbval-ignore-output"]
tokens

# %% [markdown]
# ## Follow one request
#
# An answer has an **id**. Ask one question, and look in three places for the call, for its id, and for who asked: in
# what the gateway and the model server have added to their logs, and in the spend row.
#
# **Predict**: which of the three knows what?


# %%
def logs():
    workloads = {"gateway": "deployment/litellm", "model": f"deployment/{lab.model}-predictor"}
    return {who: lab.cluster.logs(workload, lab.namespace) for who, workload in workloads.items()}


before = logs()
reply = ask(clients[names[0]], "In one sentence: what is a gateway?", model=lab.model, max_tokens=24)
added = {f"{who}'s log": text[len(before[who]) :] for who, text in logs().items()}
row = lab.gateway.spend_row(reply.id)
print("the gateway's log has a call more:", "/chat/completions" in added["gateway's log"])

# %%
texts = {**added, "spend row": f"{row}, {row.completion_tokens} tokens"}
sought = {
    "its tokens": f"{reply.completion_tokens} tokens",
    "its id": reply.id,
    "who asked": applications[names[0]],
}
pd.DataFrame({what: {where: word in text for where, text in texts.items()} for what, word in sought.items()})

# %% [markdown]
# The gateway's log says that somebody called, and the model server's what it cost in tokens and milliseconds. Only the
# row has all three, and it is found by the id that the caller holds. Logs are for whoever repairs, rows for whoever
# counts. (A log tells what its program was set up to tell: on another cluster your table can look different.)

# %% [markdown]
# ## One telling chart
#
# Both ways side by side. A slot is one copy of the model on one GPU; where the lab's own model asks for no slot, as on
# the local cluster, its copies are counted as slots.

# %%
one = hoarding.reserved(lab.cluster, lab.namespace, slot.resource, model=lab.model)
copies = max(one.held_slots, one.copies)
bars = pd.DataFrame(
    [
        ("a model each", len(crowd.running), hoarded.asked_slots, hoarded.held_slots, busy_hoarded),
        ("one for all", together.frame["person"].nunique(), copies, copies, busy_shared),
    ],
    columns=["label", "people", "asked", "held", "busy"],
)
plots.slots_used(bars)

# %% tags=["nbval-ignore-output"]
gib = 2**30
pd.DataFrame(
    {
        "people who got answers": bars["people"].tolist(),
        "slots held": bars["held"].tolist(),
        "memory reserved, GiB": [hoarded.held_memory / gib, one.held_memory / gib],
        "busy, share of time": [round(busy_hoarded, 2), round(busy_shared, 2)],
        "answered in, p50, seconds": waits.loc[0.5].round(2).tolist(),
        "answered in, p95, seconds": waits.loc[0.95].round(2).tolist(),
        "who used how many tokens": ["nobody knows", f"known of {len(tokens)} people"],
    },
    index=bars["label"].tolist(),
).T

# %% [markdown]
# `busy` is that of people who are at work. At night all copies rest, and then it matters most how many they are.
#
# Keep these numbers: lesson 05 sets them beside what you measure in the other lessons.

# %%
lab.journal.note(
    "01",
    people=people,
    slots=hoarded.held_slots,
    running=len(crowd.running),
    memory_hoarded=hoarded.held_memory,
    memory_shared=one.held_memory,
    memory_one=hoarded.held_memory // len(crowd.running),
    busy_hoarded=busy_hoarded,
    busy_shared=busy_shared,
    wait_p50_hoarded=waits.loc[0.5, "alone"],
    wait_p95_hoarded=waits.loc[0.95, "alone"],
    wait_p50_shared=waits.loc[0.5, "shared"],
    wait_p95_shared=waits.loc[0.95, "shared"],
    tokens_by_person=tokens,
    service_seconds=alone.frame["seconds"].mean(),
)
print("kept:", lab.journal.missing(["01"]) == [])

# %% [markdown]
# ## How many would be enough?
#
# Seven people prove little about 19,000. For that you need a model of the queue, and two speeds of your own server:
# with one call alone, and with `at_once` calls together. **Predict**: which is the larger one?

# %% tags=["nbval-ignore-output"]
client, prompt = clients[names[0]], "Count to one hundred."
single = ask(client, prompt, model=lab.model, max_tokens=48)
several = ask_many(client, [prompt] * at_once, model=lab.model, concurrency=at_once, max_tokens=48, show=False).frame

speed = single.completion_tokens / single.seconds
total = several["completion_tokens"].sum() / (several["started_s"] + several["seconds"]).max()
print(f"tokens per second: {speed:.0f} with one call alone, {total:.0f} with {at_once} together")

# %% [markdown]
# A server reads its weights once for each step, and a step gives a token to every call that runs. That is why several
# together are faster in sum, and each of them is slower. (If yours are not, something else uses the machine now: run
# the cell again.)
#
# The rest are **assumptions**, and they are yours to change: how many of the employees work with the model at the same
# time, how often they ask, how long an answer is. `server` is your own measurement.
#
# The arithmetic assumes that people ask at random moments, that answers vary in length, and that all copies share one
# line. It counts waiting until an answer **begins**; how long it then takes to write is another matter.

# %%
load = capacity.Load(people=19_000, active=0.05, questions_per_hour=20, tokens_per_answer=150)
server = capacity.Server(tokens_per_second=speed, slots=at_once, total=total)
print("GPUs if everybody has one:", f"{capacity.hoarded(load, server).replicas:,}")

# %% tags=["nbval-ignore-output"]
capacity.shared(load, server, replicas=10)

# %% [markdown]
# **Exercise 1.4** `replicas`: the fewest shared copies with which 95 of 100 questions wait less than two seconds
# (`wait_p95`). Try numbers in `capacity.shared`, or look into `capacity` for a helper.

# %%
replicas = capacity.replicas_for(load, server, p95=2.0)  # SOLUTION

# %%
checks.replicas(load, server, replicas)

# %% [markdown]
# Move the sliders. Which assumption matters most? And where does one copy more change nothing at all?

# %%
widgets.capacity_planner(load, server)

# %% [markdown]
# ## Tell what sharing brings
#
# Each benefit is something that you have just seen:
#
# - **Traceability**: the gateway told each person's tokens, and one id led through the whole way. Before, no place knew
#   who had asked.
# - **Utilisation**: one copy served all of them. Before, those who had one let it rest most of the time.
# - **Cost control**: a key can be counted, limited and taken away (lesson 04). A pod can only be deleted.
#
# And the price: calls can wait for each other, and one team has to run the model well, because everybody depends on it.
#
# ## Discuss
#
# 1. A colleague says: "My project is important, I need a GPU of my own." What would you measure before you answer?
#
# <details><summary>What a good answer contains</summary>
#
# How busy a model of that project would be: calls per hour, tokens per answer, when. How long its people may wait, at
# p95 and not on average. Whether the shared copies have room at that time, and what one copy more would cost. A GPU of
# one's own can be right: for training, for data that may not leave a place, or for a load that keeps it busy.
#
# </details>
#
# 2. The scheduler gave the slots to those who came first. What would you have to change so that it is fair, and what
#    would still be unsolved?
#
# <details><summary>What a good answer contains</summary>
#
# Quotas for each namespace, priorities, time slices, or a GPU cut into parts. All of them divide **hardware**: each
# part still holds its own copy of the weights, still rests while its owner thinks, and still counts nobody's tokens.
# Sharing a model divides the **work**.
#
# </details>
#
# ## Clean up
#
# The servers are gone already. Now the keys go, and the namespace with all that is in it. The spend rows stay, so that
# an accountant can see who spent what.

# %%
lab.gateway.delete_key(*keys_of_this_lesson())
own.release(patience)
print("keys left:", len(keys_of_this_lesson()))

# %% [markdown]
# ## Under the hood
#
# Run `hoarding.own_server??` in a cell of your own: what does a developer's copy change in the platform's manifest?
# Then `hoarding.work??`: how does each person keep to their own pauses while others ask? And `hoarding.slot??`: how
# does the lesson find out whether it would take real GPUs?
#
# ## On your own
#
# - Run the lesson with `think = 0.5`. From which point on does sharing really mean waiting?
# - Deploy again, and delete the server of somebody who runs: `lab.cluster.delete("isvc/...", namespace)`. Who gets the
#   slot, and how long after?
# - Make `lab.gateway.create_key(..., rpm_limit=2)` for one of the seven. Who waits less then, and who is refused?
# - How many tokens did **you** use yesterday? `lab.usage.summary(usage.day("2026-11-27"), by="application")`, with
#   yesterday's date.
