"""A world on arrays, played on the local plane: its people and offers are imported, the engine mails, and its rows come back as the
records of SES and the postbacks and reports of Everflow. `render` does so without a plane.
"""
