"""The controllers: each looks at one object and does the next thing that brings the world nearer to what it asks for.

A controller sees objects only through a `Client`, is called with the key of one object, keeps nothing that it could
not find again in the store, and so is right after a restart in any state. `work` drives them; `all` names them.
"""
